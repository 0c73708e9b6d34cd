-- A program for LuaJIT that reads the declarations. Arguments: the prefix, the module of its tasks.
local ffi = require("ffi")
local prefix, module = arg[1], arg[2]
ffi.cdef(io.open(prefix .. "/include/carpool.cdef.h"):read("*a"))
local carpool = ffi.load(prefix .. "/lib/libcarpool.so")

local function ok(status)
  assert(status == carpool.POOL_OK, ffi.string(carpool.pool_status_string(status)))
end

-- The result of a task, or its status, code and words.
local function outcome(pool, symbol, n)
  local future, data, len = ffi.new("future_t *[1]"), ffi.new("const void *[1]"), ffi.new("size_t[1]")
  local args, error = ffi.new("int64_t[1]", n), ffi.new("pool_error_t[1]")
  ok(carpool.pool_submit_symbol(pool, module, symbol, args, 8, future))
  local status = carpool.future_collect(future[0], carpool.POOL_FOREVER, data, len)
  local result = status == carpool.POOL_OK and tonumber(ffi.cast("const int64_t *", data[0])[0])
  ok(carpool.future_error(future[0], error))
  carpool.future_free(future[0])
  if result then return result end
  return status, error[0].task_code, ffi.string(error[0].message)
end

for _, kind in ipairs({ "POOL_THREAD", "POOL_PROCESS" }) do
  -- As a language without structs does it: the options are bytes.
  local options, pool = ffi.new("uint64_t[128]"), ffi.new("pool_t *[1]")
  local opaque = ffi.cast("pool_options_t *", options)
  ok(carpool.pool_options_init(opaque, 1024))
  ok(carpool.pool_options_set(opaque, "kind", kind, nil))
  ok(carpool.pool_options_set(opaque, "max_workers", "2", nil))
  ok(carpool.pool_new(opaque, pool, nil))
  for n = 3, 5 do assert(outcome(pool[0], "square", n) == n * n) end
  local status, code, words = outcome(pool[0], "refuse", 0)
  assert(status == carpool.POOL_ERR_TASK and code == 7 and words == "seven is refused")
  if kind == "POOL_PROCESS" then
    status, code, words = outcome(pool[0], "die", 0)
    assert(status == carpool.POOL_ERR_WORKER_LOST and words:find("die"), words)
  end
  carpool.pool_free(pool[0])
end
