"""Labels as data: names and values, files, and drafts on disk."""
