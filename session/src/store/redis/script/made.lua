-- KEYS: the mark that a move was made.
return {redis.call('EXISTS', KEYS[1]) == 1 and 'ok' or 'gone'}
