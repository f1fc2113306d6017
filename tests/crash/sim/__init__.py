"""A simulated gateway: real engine, files and journal, above simulated time, Docker, commands and registry."""
