"""The panel's widgets: one file for each section, connected to the session. The only package that knows Qt."""
