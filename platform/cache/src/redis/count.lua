-- Counts one more under KEYS[1]; the count ends ARGV[1] milliseconds after its first.
local count = redis.call('INCR', KEYS[1])
if count == 1 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return count
