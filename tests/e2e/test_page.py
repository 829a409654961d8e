"""The page in a real browser on real gates. `make test` sees to the browser; without one these tests skip."""

import pytest

from infra.programs import BROWSER
from tests.bed.waiting import eventually

playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed: make venv")
CHROMIUM = BROWSER.path()

pytestmark = [
    pytest.mark.broker,
    pytest.mark.store,
    pytest.mark.stack,
    pytest.mark.timeout(240),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: make test tries to"),
]

SEEN_SECONDS = 40.0
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
async def stack(start_stack):
    """Two gates with the demo's users, rooms and messages."""
    return await start_stack(gates=2, demo=True)


@pytest.fixture
async def browser():
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, headless=True, args=list(FLAGS))
        yield browser
        await browser.close()


class Page:
    """Somebody with the page open. `complaints` is what the browser's console holds against it."""

    def __init__(self, tab):
        self.tab = tab
        self.complaints = []
        tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        tab.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)

    async def enter(self, user):
        await self.tab.get_by_role("button", name=user).click()
        await self.open("General Discussion")

    async def open(self, title):
        await self.tab.locator(".lists button", has_text=title).click()
        await eventually(lambda: self.tab.locator("#log .message").count(), SEEN_SECONDS)

    async def say(self, text):
        await self.tab.get_by_label("Message", exact=True).fill(text)
        await self.tab.get_by_label("Message", exact=True).press("Enter")

    async def definite(self):
        """The texts of the messages that have their place, in the order shown."""
        return await self.tab.locator("#log .message:not(.sending):not(.failed) .text").all_text_contents()

    async def shows(self, *texts):
        """These are the last messages, in this order, each once."""

        async def shown():
            found = await self.definite()
            assert found[-len(texts) :] == list(texts)
            return len(found) == len(set(found))

        await eventually(shown, SEEN_SECONDS)

    def message(self, text):
        """The message of this text."""
        return self.tab.locator("#log .message", has=self.tab.locator(".text", has_text=text))

    async def press(self, text, button):
        """Press one of the buttons of a message, which are there for whoever points at it."""
        await self.message(text).locator(".bubble").hover()
        await self.message(text).get_by_role("button", name=button, exact=True).click()

    async def has_message(self, text, within):
        """A message of this text shows something within it."""

        async def shown():
            return within in (await self.message(text).text_content() or "")

        await eventually(shown, SEEN_SECONDS)

    async def says(self, selector, text):
        async def said():
            return text in (await self.tab.locator(selector).text_content() or "")

        await eventually(said, SEEN_SECONDS)


@pytest.fixture
async def visit(browser):
    """`await visit(gate, "alice")`: a window of one's own on the demo's general room."""

    async def open_page(gate, user):
        context = await browser.new_context()
        page = Page(await context.new_page())
        await page.tab.goto(gate.url)
        await page.enter(user)
        return page

    return open_page


async def test_two_windows_on_two_gates_show_one_conversation(stack, visit):
    alice, bob = await visit(stack.gates[0], "alice"), await visit(stack.gates[1], "bob")
    await alice.say("hello from the page")
    await bob.shows("hello from the page")
    await bob.say("<b>not bold</b> & <script>not run</script>")
    for page in (alice, bob):
        await page.shows("hello from the page", "<b>not bold</b> & <script>not run</script>")
    await bob.tab.get_by_label("Message", exact=True).press_sequentially("hm")
    await alice.says("#typing", "bob is writing")
    await alice.says("#members", "bob")
    await eventually(lambda: alice.tab.locator("#members .online", has_text="bob").count(), SEEN_SECONDS)
    await bob.tab.context.close()
    await eventually(lambda: alice.tab.locator("#members li:not(.online)", has_text="bob").count(), SEEN_SECONDS)
    assert alice.complaints == []


async def test_own_messages_are_edited_and_deleted_for_everybody(stack, visit):
    alice, bob = await visit(stack.gates[0], "alice"), await visit(stack.gates[1], "bob")
    await alice.say("the meeting is at noon")
    await bob.shows("the meeting is at noon")
    await bob.message("at noon").locator(".bubble").hover()
    assert await bob.message("at noon").get_by_role("button", name="Edit").count() == 0
    await alice.press("at noon", "Edit")
    text = alice.tab.get_by_label("Message", exact=True)
    assert await text.input_value() == "the meeting is at noon"
    await text.fill("the meeting is at one")
    await text.press("Enter")
    for page in (alice, bob):
        await page.has_message("the meeting is at one", "edited")
    await alice.press("at one", "Delete")
    await alice.press("at one", "Really delete?")
    for page in (alice, bob):
        await page.shows("This message was deleted.")
    await alice.tab.reload()
    await alice.open("General Discussion")
    await alice.shows("This message was deleted.")
    assert alice.complaints == []


async def test_editing_is_given_up_with_escape(stack, visit):
    alice = await visit(stack.gates[0], "alice")
    await alice.say("as it is")
    await alice.shows("as it is")
    await alice.press("as it is", "Edit")
    text = alice.tab.get_by_label("Message", exact=True)
    await text.fill("something else")
    await text.press("Escape")
    assert await text.input_value() == ""
    await alice.say("and on")
    await alice.shows("as it is", "and on")


async def test_reactions_are_put_counted_and_taken_back(stack, visit):
    alice, bob = await visit(stack.gates[0], "alice"), await visit(stack.gates[1], "bob")
    await alice.say("cake in the kitchen")
    await bob.shows("cake in the kitchen")
    await bob.press("cake", "React with 🎉")
    await alice.has_message("cake", "🎉 1")
    await alice.message("cake").locator(".chip").click()
    for page in (alice, bob):
        await page.has_message("cake", "🎉 2")
    await alice.message("cake").locator(".chip[aria-pressed=true]").click()
    for page in (alice, bob):
        await page.has_message("cake", "🎉 1")
    await bob.tab.reload()
    await bob.open("General Discussion")
    await bob.has_message("cake", "🎉 1")
    await bob.message("cake").locator(".chip").click()
    await eventually(bob.message("cake").locator(".chip[aria-pressed=true]").count, SEEN_SECONDS)
    await bob.message("cake").locator(".chip").click()
    await eventually(lambda: no_chips(alice), SEEN_SECONDS)


async def no_chips(page):
    return await page.message("cake").locator(".chip").count() == 0


async def test_a_room_one_is_not_in_is_read_and_joined(stack, visit):
    charlie, alice = await visit(stack.gates[0], "charlie"), await visit(stack.gates[1], "alice")
    await charlie.open("Tech Support")
    await charlie.shows("How can I help you today?")
    await charlie.tab.get_by_role("button", name="Join this room").click()
    await eventually(charlie.tab.get_by_label("Message", exact=True).is_visible, SEEN_SECONDS)
    await charlie.say("my token is gone")
    await charlie.shows("How can I help you today?", "my token is gone")
    await eventually(lambda: alice.tab.locator(".unread", has_text="Tech Support").count(), SEEN_SECONDS)
    await alice.open("Tech Support")
    await alice.shows("How can I help you today?", "my token is gone")


async def test_the_page_survives_its_gate_and_shows_everything_once(stack, visit):
    alice, bob = await visit(stack.gates[0], "alice"), await visit(stack.gates[1], "bob")
    await alice.say("one")
    await bob.shows("one")
    stack.gates[0].kill9()
    await eventually(alice.tab.locator("#link[data-state=waiting]").count, SEEN_SECONDS)
    await bob.say("two")
    await bob.shows("one", "two")
    await alice.say("three")
    await stack.restart("gateway", 0)
    await alice.says("#link", "Connected")
    for page in (alice, bob):
        await page.shows("one", "two", "three")


async def test_older_messages_come_by_scrolling_up(stack, visit):
    alice = await visit(stack.gates[0], "alice")
    spoken = [f"line {number}" for number in range(1, 81)]
    for text in spoken:
        await alice.say(text)
    await alice.shows(*spoken)
    bob = await visit(stack.gates[1], "bob")
    await bob.shows(*spoken[-40:])
    assert spoken[0] not in await bob.definite()
    await bob.tab.locator("#scroll").evaluate("node => node.scrollTo(0, 0)")
    await bob.shows(*spoken)
