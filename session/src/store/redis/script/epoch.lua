-- KEYS: a tag's epochs. ARGV 4: the subject's hash.
return {'ok', redis.call('HGET', KEYS[1], ARGV[4]) or '0'}
