-- Why an instrument is not collected at present, and until when; an empty reason clears it.
UPDATE symbols
SET refused = %(reason)s, refused_until = %(until)s
WHERE symbol = %(symbol)s
