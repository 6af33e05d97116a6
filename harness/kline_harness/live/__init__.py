"""The live page: a replay, with its audits, watched in a browser as it happens."""
