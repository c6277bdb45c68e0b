"""Floor 1: facts about markets, pure. No clock, no I/O: what is needed comes in as an argument.

types the words · calendar what yields sessions · due which windows are wanted · validate the rules that a bar must
keep · coverage expected, present, and why not · simulated a seeded market that says that it is simulated.
"""
