"""The worker's program: ``python -m harness.expectations``."""

from harness.expectations.worker import serve

if __name__ == "__main__":
    serve()
