"""A person's own filters. Nobody sees or changes those of another."""

from fastapi import APIRouter, HTTPException

from server.access.door import Anyone
from server.filters import store
from server.filters.api import Filters, SavedFilter, Wanted
from server.house import Here, problems

router = APIRouter(prefix="/api/filters", tags=["worklist"])


@router.get("", operation_id="getFilters", responses=problems(401))
def get_filters(account: Anyone, here: Here) -> Filters:
    """My filters."""
    with here.db.read() as tx:
        return store.of(tx, account.id)


@router.put("", operation_id="saveFilter", responses=problems(401, 403, 409, 422))
def save_filter(said: SavedFilter, account: Anyone, here: Here) -> Filters:
    """Keep one under its name, in the place of what had that name."""
    name = said.name.strip()
    if not name:
        raise HTTPException(422, "name: it is empty; give the filter a name")
    with here.db.write() as tx:
        if not store.save(tx, account.id, name, said.wanted):
            raise HTTPException(409, f"you have {store.MOST} filters already; remove one of them first")
        return store.of(tx, account.id)


@router.delete("", operation_id="removeFilter", responses=problems(401, 403, 422))
def remove_filter(name: str, account: Anyone, here: Here) -> Filters:
    """Forget the one of that name."""
    with here.db.write() as tx:
        if name:
            store.remove(tx, account.id, name)
        return store.of(tx, account.id)


@router.put("/last", status_code=204, operation_id="useFilter", responses=problems(401, 403, 422))
def use_filter(account: Anyone, here: Here, said: Wanted | None = None) -> None:
    """What I look at now, for when I come back; null: everybody."""
    with here.db.write() as tx:
        store.use(tx, account.id, said)
