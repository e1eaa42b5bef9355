// What one would otherwise write in Node: socket.io and the mongodb driver, as their documentation has it.
//
// A peer to measure against. It does what the measurements ask for, and nothing of what makes the rest of a server.
// It has no secondary index to keep but the one on its sessions, which is in its favour. Without DATABASE_URL it
// stores nothing.

import { createServer } from 'node:http'
import jwt from 'jsonwebtoken'
import { MongoClient, ObjectId } from 'mongodb'
import { Server } from 'socket.io'

const { DATABASE_URL, JWT_SECRET, PORT } = process.env

let db = null
if (DATABASE_URL) {
  const client = new MongoClient(DATABASE_URL)
  await client.connect()
  db = client.db()
}
const exams = db?.collection('exams')
const sessions = db?.collection('sessions')
const heartbeats = db?.collection('heartbeatLog')
const activities = db?.collection('activityLog')

const http = createServer()
const io = new Server(http)

const requireRole = (...roles) => (socket, next) => {
  try {
    const claims = jwt.verify(socket.handshake.auth.token, JWT_SECRET, {
      algorithms: ['HS256'],
      audience: 'proctoring',
      issuer: 'proctoring-server',
      clockTolerance: 1
    })
    if (!roles.includes(claims.role)) return next(new Error('forbidden'))
    socket.data.userId = new ObjectId(claims.sub)
    next()
  } catch {
    next(new Error('unauthorized'))
  }
}

// A handler's return value is its ack.
const on = (socket, event, handler) =>
  socket.on(event, async (payload, ack) => {
    try {
      ack({ ok: true, data: await handler(payload) })
    } catch (error) {
      ack({ ok: false, error: { code: error.message } })
    }
  })

// The exam that this user is assigned to.
const findExam = async (examId, userId) => {
  const _id = new ObjectId(examId)
  if (!db) return { _id, title: 'No database' }
  const exam = await exams.findOne({ _id, users: userId }, { projection: { title: 1 } })
  if (!exam) throw new Error('not_found')
  return exam
}

const exam = io.of('/exam')
exam.use(requireRole('STUDENT'))
exam.on('connection', socket => {
  const { userId } = socket.data

  const running = () => {
    if (!socket.data.session) throw new Error('conflict')
    return socket.data.session
  }

  on(socket, 'start', async ({ examId }) => {
    const found = await findExam(examId, userId)
    const key = { examId: found._id, userId }
    let session = await sessions?.findOne(key)
    if (!session) {
      session = { _id: new ObjectId(), ...key, status: 'ACTIVE', startTime: new Date() }
      await sessions?.insertOne(session)
    }
    socket.data.session = session
    return { session: { id: session._id, status: session.status }, exam: found.title }
  })

  on(socket, 'heartbeat', async () => {
    const session = running()
    const receivedAt = new Date()
    await Promise.all([
      heartbeats?.insertOne({ sessionId: session._id, receivedAt }),
      sessions?.updateOne({ _id: session._id }, { $set: { lastHeartbeatAt: receivedAt } })
    ])
    return { serverTime: receivedAt, status: session.status }
  })

  on(socket, 'tab_change', async ({ seq, hidden = true }) => {
    const session = running()
    const record = {
      _id: new ObjectId(),
      examId: session.examId,
      sessionId: session._id,
      userId,
      type: 'tab_change',
      seq,
      receivedAt: new Date(),
      data: { hidden }
    }
    await activities?.insertOne(record)
    const { _id, ...fields } = record
    const examId = session.examId.toString()
    proctor.to(examId).emit('activity', { examId, items: [{ id: _id, ...fields }] })
    return { id: _id }
  })
})

const proctor = io.of('/proctor')
proctor.use(requireRole('PROCTOR', 'ADMIN'))
proctor.on('connection', socket => {
  on(socket, 'join', async ({ examId }) => {
    const found = await findExam(examId, socket.data.userId)
    socket.join(found._id.toString())
    return { exam: found.title }
  })
})

http.listen(Number(PORT), '127.0.0.1', () => {
  console.log(`Listening on http://127.0.0.1:${http.address().port}`)
})
