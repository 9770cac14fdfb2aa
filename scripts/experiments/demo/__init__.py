"""The demo: a clinician played through a real server, on generated or given scans."""
