-- One durable write with its event and its audit entry.
local themes = { "light", "dark", "system" }
local turn = 0

wrk.method = "PUT"
wrk.headers["Content-Type"] = "application/json"

function request()
  turn = turn % #themes + 1
  return wrk.format(nil, nil, nil, '{"value":"' .. themes[turn] .. '"}')
end
