"""What the FewLabel panel does, without Slicer: HTTP, label values, drafts and the course of a session."""
