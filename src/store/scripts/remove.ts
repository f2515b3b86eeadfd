/** The script that deletes. */
import { PRELUDE } from "./prelude.js";
import { script } from "./script.js";

/**
 * Deletes an ended run.
 *
 *   → { 'GONE' } | { 'OPEN' } | { 'OK', subject, parent }
 */
export const REMOVE = script(`${PRELUDE}
if redis.call('EXISTS', META) == 0 then return { 'GONE' } end
if not is_terminal(redis.call('HGET', META, 'status')) then return { 'OPEN' } end
local m = redis.call('HMGET', META, 'subject_id', 'parent_id')
redis.call('DEL', META, BUFFER, LAYERS, PRODUCERS, RESULT, CHILDREN, OWNER, SUMMARY)
return { 'OK', m[1] or '', m[2] or '' }
`);
