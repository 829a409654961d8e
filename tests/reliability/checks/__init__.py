"""Pure checks over journals and over what is stored; what they look for is defined in words in `anomalies.py`."""
