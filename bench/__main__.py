import asyncio, sys, os
import uvloop
from bench.processes import *
from bench.scenarios import *
async def main():
    allow_many_files()
    os.sched_setaffinity(0, {sorted(CORES)[-1]})
    names = sys.argv[1].split(","); peers = sys.argv[2].split(",")
    async with database_process() as db:
        for n in names:
            s = SCENARIOS[n]
            for p in peers:
                b = clock()
                o = await measure(s, s.size, PEERS[p], db)
                print(n, p, {k: round(v,1) if v>1 else round(v,3) for k,v in o.figures.items()}, o.errors, round(clock()-b,1), flush=True)
uvloop.run(main())
