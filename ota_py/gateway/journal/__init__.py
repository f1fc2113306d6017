"""The durable record of the gateway: transactions, states, plans, the outbox, the floor.

The only room with the journal's SQL.
"""
