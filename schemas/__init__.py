"""The kernel: every name, shape and code that crosses a border of Gatehouse.

Models, enums and pure functions of them live here. No I/O, no clock, no service may be imported.
"""
