"""Files on disk, in memory and faulty; the stored dataset and the writer that fills it."""
