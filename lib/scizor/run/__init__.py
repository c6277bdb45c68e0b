"""Floor 5: introduces the strangers of floor 4 to each other, so that they need not meet.

runner what every script goes through · servers the embedded ones · paced requests under the one budget · outbox
messages into the database or, when that is what died, into a file. Jobs, stream and replay stand above and share it.
"""
