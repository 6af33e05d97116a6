"""The exchange on loopback, and what a service that it served has stored."""
