-- The generic cell rate algorithm, on the server's time, for all processes that share the server.
--
-- KEYS[1]  holds the time, in microseconds, at which the allowance is whole again
-- ARGV[1]  microseconds in which one more is allowed
-- ARGV[2]  how many may come as a burst
-- ARGV[3]  'check' takes one if it may; 'peek' takes nothing; 'spend' takes ARGV[4] or what is left; 'give' gives one back
--
-- Returns whether one was (or would be) allowed, and in how many microseconds the allowance is whole.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval = tonumber(ARGV[1])
local full = interval * tonumber(ARGV[2])
local at = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local allowed = at + interval <= now + full
local next = at

if ARGV[3] == 'check' and allowed then
  next = at + interval
elseif ARGV[3] == 'spend' then
  next = math.min(at + interval * tonumber(ARGV[4]), math.max(at, now + full))
elseif ARGV[3] == 'give' then
  next = math.max(at - interval, now)
end

if next ~= at then
  if next > now then
    redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
  else
    redis.call('DEL', KEYS[1])
  end
end
return { allowed and 1 or 0, next - now }
