"""Programs that developers of the project run: generated references."""
