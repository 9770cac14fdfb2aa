"""The demo: a simulated clinician with a real server, on generated or given scans."""
