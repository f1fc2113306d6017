"""The operator's side: configuration, publishing, the control plane's client, and the commands."""
