"""The loops that numpy has no words for, in C; absent where nothing could compile them.

Whatever is here has a fallback in Python that knows every case, and gives the same values.
"""
