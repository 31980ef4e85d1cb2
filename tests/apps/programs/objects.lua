-- Tables, strings and coroutines; the collector frees in bulk.
local state = 11
local function next_number()
  state = (state * 1103515245 + 12345) & 0x7fffffff
  return state >> 8
end

local sum, table_of = 0, {}
local function digest(text)
  for i = 1, #text, 7 do
    sum = (sum * 31 + text:byte(i)) & 0xffffffffffff
  end
end

for step = 1, 1500000 do
  local key = next_number() % 50000
  local kind = step % 3
  if kind == 0 then
    table_of[key] = nil
  elseif kind == 1 then
    table_of[key] = ("v" .. key):rep(next_number() % 30)
  else
    table_of[key] = { key, step, name = "n" .. step }
  end
end
for key = 0, 49999 do
  local value = table_of[key]
  if type(value) == "table" then value = table.concat(value, ",") .. value.name end
  digest(value or "nil")
end
for n = 1, 20000 do
  local routine = coroutine.wrap(function(a) local b = coroutine.yield(a .. n); return b end)
  digest(routine("coroutine "))
  routine("end")
end
collectgarbage()
print(string.format("%012x", sum))
