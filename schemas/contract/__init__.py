"""The published contract, made from the kernel by pure functions: JSON Schemas, the AsyncAPI document, the error table.

`python -m infra.generate` writes what these return; nothing here touches a file.
"""
