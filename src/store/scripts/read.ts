/** The script that reads. */
import { PRELUDE } from "./prelude.js";
import { script } from "./script.js";

/** The fields of meta that a read answers, in this order. */
export const META_FIELDS = [
  "status",
  "epoch",
  "base",
  "next",
  "len",
  "version",
  "expected_log_count",
  "late_lines",
  "owner",
  "owner_url",
  "lease_until",
  "stalled_sweeps",
  "attempt",
  "cancel_requested",
  "subject_id",
  "operation",
  "parent_id",
  "metadata",
  "error",
  "error_code",
  "created_at",
  "started_at",
  "finished_at",
] as const;

/**
 * One page of a run with its state, of one moment. Writes nothing.
 *
 *   ARGV[1] 'at', 'tail' or 'none' · [2] epoch that the index is of, '' any · [3] index or count · [4] limit, lines
 *   [5] epoch and [6] version that the reader has, '' none · [7..] the names of META_FIELDS
 *   → { now, fields, next, first, index of the first line, lines, layers, totals, all of meta } where the last three
 *     are left out when the reader's version is right, and the last one is there only for a run that something else
 *     writes (it has no version: the reader makes one of what it got); nothing when there is no run
 */
export const READ = script(`${PRELUDE}
local kind, epoch, index, limit = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
if not (index and limit) then return redis.error_reply('ERR livetail: a number is missing') end
local fields = redis.call('HMGET', META, unpack(ARGV, 7))
if redis.call('EXISTS', META) == 0 then return false end
local length = redis.call('LLEN', BUFFER)
local stored_epoch, next, foreign = fields[2], integer(fields[4]), not fields[4]
if foreign then
  local expected = math.max(integer(fields[7]), integer(redis.call('HGET', META, 'expected_count')))
  local short = is_terminal(fields[1]) and expected > length
  stored_epoch, next = short and '1' or '0', short and expected or length
else
  next = next + math.max(0, length - integer(fields[5]))
end
local first = next - length
local from = first
if kind == 'tail' then
  from = math.max(first, next - index)
elseif kind == 'at' and (epoch == '' or epoch == stored_epoch) and index > first and index <= next then
  from = index
end
local lines = {}
if kind ~= 'none' and from < next and limit > 0 then
  lines = redis.call('LRANGE', BUFFER, from - first, from - first + limit - 1)
end
if ARGV[5] == stored_epoch and ARGV[6] == fields[6] then
  return { now_ms(), fields, next, first, from, lines }
end
local layers = redis.call('GET', LAYERS) or ''
local totals = {}
local producers = redis.call('HGETALL', PRODUCERS)
for i = 1, #producers, 2 do
  if string.sub(producers[i], 1, 2) == 'c:' then totals[#totals + 1] = producers[i + 1] end
end
if foreign then
  return { now_ms(), fields, next, first, from, lines, layers, totals, redis.call('HGETALL', META) }
end
return { now_ms(), fields, next, first, from, lines, layers, totals }
`);
