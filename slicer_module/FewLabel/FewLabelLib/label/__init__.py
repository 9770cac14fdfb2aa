"""Labels as data: names and values, files, drafts on disk."""
