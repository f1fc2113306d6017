"""Programs that developers of the project run: generated references, and the guards of faults."""
