"""The examples of docs/examples, and the Python on the first page."""
