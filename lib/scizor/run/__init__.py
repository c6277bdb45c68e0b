"""Floor 5: introduces the strangers of floor 4 to each other, so that they need not meet.

runner what every script goes through · servers the embedded ones · paced requests under the one budget · outbox
messages into the database or, when that is what died, into a file · clients, dumping, sealing
pg_dump and its kin, a database into a folder and back, and the folder's checksums and keys. Jobs, stream and replay stand above and share it.
"""
