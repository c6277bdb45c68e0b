"""Floor 4: the room that knows those who carry a message: the mail relay, and by apprise all others. It tells a person, and then
holds its tongue.

The product is silent until something is wrong; so what it says must arrive, once, and must not be repeated until nobody
reads it. mail turns a message into SMTP and knows nothing of when. repeat is the rule, pure: the same failure mails at
once, after an hour, then daily, then "recovered". incidents keeps its state in files, one an open failure, because
PostgreSQL may be what failed; a mail that cannot be delivered waits there, and the next run of any job tries again.

What bin/health finds goes another way: rules judges findings into a book of alerts and tellings, parcels packs what is due for
each channel into one message, both pure; channels delivers; rows turns the book into a table's rows, or a file while there is none.

A failure's identity is its job, scope, exit status and kind of error, never its text: texts name symbols and minutes,
and a mailbox with a mail for each of them is a mailbox that is read no more. Nothing here ever fails a job.
"""
