"""The logic of the FewLabel panel: HTTP, label values, drafts and sessions. Most of it does not know Slicer."""
