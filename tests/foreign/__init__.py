"""Clients of the TWS API that are not ours, to prove that other people's programs work on the replay gateway.

Each speaks in its own process and prints what it was told as one JSON object. They are for the tests only, have lock files
of their own, and are installed below var/, never into the product's environment.
"""
