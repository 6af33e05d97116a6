"""Historical days: downloaded with proof, kept by content, revisions noticed, replayed offline.

layouts.py    which archives there are: hosts, folders, names, packing; a table, no code
selection.py  um:BTCUSDT:2024-07-01..2024-07-31 and the files that it stands for
pace.py       the only reader of a clock: eight requests a second, stalls, when a file was seen
transport.py  one polite client: retries, Retry-After, refusals
transfer.py   a download that resumes
entries.py    what an archive lists, and why a file is not there
proof.py      length, the packing's CRC-32, the published CHECKSUM
catalogue.py  objects by their sha256, and the append-only record of them
fetch.py      one fetch: listing, download, proof, record
rows.py       two versions of a file, or a month and its days, row by row
months.py     a month held against the sum of its days
plan.py       what a fetch would bring, with sizes
upkeep.py     the catalogue listed, verified, pruned
held_files.py files for a replay, from the catalogue alone
command.py    the verbs fetch and catalogue
"""
