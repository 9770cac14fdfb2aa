"""The panel's widgets: one file for each section, bound to the session. The only part that knows Qt."""
