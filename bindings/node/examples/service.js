'use strict'
// A store for many customers in one process, each with a quota.
//
//   PUT /<customer>/<key>   keeps the body          507 when the customer's quota is used up
//   GET /<customer>/<key>   returns the body           404
//   GET /<customer>         the customer's figures, as JSON
//
// tenure run -- node service.js [port]              (port 0: a free port, which is printed)
const http = require('node:http')
const tenure = require('..')

const QUOTA = 16 << 20
const customers = new Map()

function customerOf (name) {
  let customer = customers.get(name)
  if (!customer) {
    customer = { tenant: new tenure.Tenant(name, { max: QUOTA }), values: new Map() }
    customers.set(name, customer)
  }
  return customer
}

// Inside the customer's tenant: the value is one buffer of the customer's own, not pieces of the server's.
async function put (customer, key, request) {
  const length = Number(request.headers['content-length'] || 0)
  const value = Buffer.from(new ArrayBuffer(length))
  let at = 0
  for await (const piece of request) at += piece.copy(value, at)
  customer.values.set(key, value)
}

async function answer (request, response) {
  const [name, key] = request.url.slice(1).split('/')
  let customer
  try {
    customer = customerOf(name)
  } catch (error) {
    response.writeHead(400).end(error.message)
    return
  }
  if (request.method === 'PUT' && key) {
    try {
      await customer.tenant.run(put, customer, key, request)
      response.writeHead(204).end()
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      request.resume()
      response.writeHead(507).end()
    }
  } else if (key) {
    const value = customer.values.get(key)
    response.writeHead(value ? 200 : 404).end(value)
  } else {
    response.end(JSON.stringify({ ...customer.tenant.stats(), keys: customer.values.size }))
  }
}

new tenure.Tenant('probe').offline() // Says how to start the program, where it is started otherwise.
const server = http.createServer((request, response) => {
  answer(request, response).catch(error => { response.destroy(error) })
})
server.listen(Number(process.argv[2] || 8080), '127.0.0.1', () => console.log(server.address().port))
process.on('SIGTERM', () => process.exit(0))
