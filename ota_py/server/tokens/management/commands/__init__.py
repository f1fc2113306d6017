"""Management commands for operators who set the control plane up without `init`."""
