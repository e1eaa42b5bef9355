// Makes the replica set and the server's user, where they are not there yet. Run by mongosh (compose.yaml).
const { readFileSync } = require("node:fs");
const secret = (name) => readFileSync(`/run/secrets/${name}`, "utf8").trim();

const members = ["mongo1:27017", "mongo2:27017", "mongo3:27017"];
const root = `root:${secret("mongodb_root_password")}`;

const patient = "serverSelectionTimeoutMS=60000";

const first = new Mongo(`mongodb://${root}@${members[0]}/admin?directConnection=true&${patient}`).getDB("admin");
try {
  first.runCommand({ replSetGetStatus: 1 });
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  first.runCommand({ replSetInitiate: { _id: "rs0", members: members.map((host, _id) => ({ _id, host })) } });
}

// Waits for a primary.
const set = new Mongo(`mongodb://${root}@${members.join()}/admin?replicaSet=rs0&${patient}`);
const database = set.getDB("proctoring");
if (!database.getUser("proctoring")) {
  database.createUser(
    { user: "proctoring", pwd: secret("mongodb_password"), roles: [{ role: "readWrite", db: "proctoring" }] },
    { w: "majority" },
  );
}
