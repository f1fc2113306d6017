"""The gateway's side: one engine that updates, or rolls back, and the agent that asks for work."""
