// A whole reader of Salesbeat's events: it keeps the newest state of every order in a SQLite file.
//
//   npm ci && node reader.mjs --bootstrap 127.0.0.1:8792 --file orders.sqlite --group acme-warehouse
//
// The same steps as ../reader.py; docs/events.md says why each step is as it is.

import { DatabaseSync } from 'node:sqlite'
import { parseArgs } from 'node:util'
import { Consumer } from '@platformatic/kafka'

const TOPIC = 'sales.order.v1'
const TABLE = `
CREATE TABLE IF NOT EXISTS orders (
  id TEXT PRIMARY KEY, version INTEGER NOT NULL, number TEXT NOT NULL, status TEXT NOT NULL,
  confirmed_on TEXT, total_minor INTEGER NOT NULL, currency TEXT NOT NULL
)`
// One statement refuses duplicates and older states: an event that comes twice or late changes nothing.
const KEEP = `
INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
  version = excluded.version, number = excluded.number, status = excluded.status,
  confirmed_on = excluded.confirmed_on, total_minor = excluded.total_minor, currency = excluded.currency
WHERE excluded.version > orders.version`
const COMMIT_EVERY = 500

// Unknown fields are ignored, because a minor release adds fields. Throws where the record is not such an event.
function row (value) {
  const event = JSON.parse(value.toString('utf8'))
  const order = event.data
  return [
    event.subject,
    Number.parseInt(event.sequence, 10),
    order.number,
    order.status,
    order.confirmation?.business_date ?? null,
    order.total.minor,
    order.total.currency
  ]
}

const { values: chosen } = parseArgs({
  options: { bootstrap: { type: 'string' }, group: { type: 'string' }, file: { type: 'string' }, idle: { type: 'string' } }
})
for (const name of ['bootstrap', 'group', 'file']) {
  if (!chosen[name]) {
    console.error(`--${name} is required`)
    process.exit(2)
  }
}

const database = new DatabaseSync(chosen.file)
database.exec(TABLE)
const keep = database.prepare(KEEP)

const consumer = new Consumer({ groupId: chosen.group, clientId: chosen.group, bootstrapBrokers: chosen.bootstrap.split(',') })
const stream = await consumer.consume({
  topics: [TOPIC],
  mode: 'committed',
  fallbackMode: 'earliest', // a new reader starts with the whole history
  autocommit: false // the offset is committed after the row is stored, never before
})

let uncommitted = new Map() // partition -> its last stored record
let count = 0
async function commit () {
  const last = uncommitted
  uncommitted = new Map()
  count = 0
  for (const record of last.values()) await record.commit()
}

let idle
function wait () {
  clearTimeout(idle)
  if (chosen.idle) idle = setTimeout(() => stream.close(), Number(chosen.idle) * 1000)
}

const steady = setInterval(() => commit().catch(error => stream.destroy(error)), 1000)
wait()
for await (const record of stream) {
  try {
    keep.run(...row(record.value))
  } catch (error) {
    // A record that cannot be read must not stop the reader: report it and go on.
    console.error(`left out ${record.topic}/${record.partition}/${record.offset}: ${error}`)
  }
  uncommitted.set(record.partition, record)
  if (++count >= COMMIT_EVERY) await commit()
  wait()
}
clearInterval(steady)
await commit()
await consumer.close()
database.close()
