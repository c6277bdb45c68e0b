-- The rules that are silent now.
SELECT rule, scope, until FROM alert_silences WHERE until > %(now)s
