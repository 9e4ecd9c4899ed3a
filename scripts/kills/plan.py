"""One kill: what is uploaded, and when the server dies. All of it follows from the seed, the kill's number and what is
published by then."""

import hashlib
import random

from gateway import MIB


class Plan:
    def __init__(self, seed, number, clients, names):
        chance = random.Random(f"{seed}/{number}")
        self.number, self.clients, self.names = number, clients, sorted(names)
        self.aimed_at, self.sync_delay_ms = Plan.aim(chance)
        self.instant = chance.random()
        # The first upload is the one that is aimed at; another one sometimes runs beside it.
        self.uploads = [self.upload(seed, chance, index) for index in range(1 if chance.random() < 0.7 else 2)]

    @staticmethod
    def aim(chance):
        aim = chance.choices(("closing", "anywhere", "after"), (11, 7, 2))[0]
        return aim, chance.choice((5, 10, 20, 40)) if aim == "closing" else None

    @staticmethod
    def sync_delay_of(seed, number):
        """What the server must be started with: known before what there is to overwrite."""
        return Plan.aim(random.Random(f"{seed}/{number}"))[1]

    def upload(self, seed, chance, index):
        size = chance.choices(
            (0, 1, chance.randrange(2, 32 * 1024), chance.randrange(32 * 1024, MIB), chance.randrange(MIB, 16 * MIB),
             64 * MIB), (3, 1, 4, 4, 4, 2 if index == 0 else 0))[0]
        name = f"{self.number:04}-{index}.bin"
        overwrites = chance.random() < 0.45
        if overwrites and self.names:
            name = self.names.pop(chance.randrange(len(self.names)))
        contents = random.Random(f"{seed}/{self.number}/{index}/contents").randbytes(size)
        return {"name": name, "size": size, "digest": hashlib.sha256(contents).hexdigest(),
                "client": chance.choice(self.clients), "contents": contents}
