-- Takes a lock, unless somebody holds it.
--
-- KEYS[1]  holds the holder's token
-- KEYS[2]  holds the last token of all
-- ARGV[1]  milliseconds that the lock holds at most
-- ARGV[2]  milliseconds that the last token is remembered
--
-- Returns the holder's token, or 0 if somebody else holds the lock. The token is larger than the last one, and no smaller
-- than the time: so it also grows where the last one was forgotten.

if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local token = string.format('%.0f', math.max(now, tonumber(redis.call('GET', KEYS[2]) or 0) + 1))
redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
redis.call('SET', KEYS[1], token, 'PX', ARGV[1])
return token
