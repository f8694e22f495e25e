-- Each request is an order with an Idempotency-Key of its own. Arguments: token, salt of the keys.
local counter = 0
local headers = {["Content-Type"] = "application/json"}
local salt, bodies = "", {}
function init(arguments)
  headers["Authorization"] = "Bearer " .. arguments[1]
  salt = arguments[2]
  for line in io.lines(arguments[3]) do bodies[#bodies + 1] = line end
end
function request()
  counter = counter + 1
  headers["Idempotency-Key"] = salt .. counter
  return wrk.format("POST", nil, headers, bodies[counter % #bodies + 1])
end
