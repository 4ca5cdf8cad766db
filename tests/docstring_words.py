"""What the tests of docstrings go by: verbs, and public functions that do not name what they raise."""

import re

VERBS = set(
    re.findall(
        r"\w+",
        """
    Abandon Accept Acknowledge Add Aim Allow Answer Append Apply Approve Archive Ask Await Back Begin Bind Block
    Bring Build Call Cancel Change Check Clear Close Collect Commit Compact Compare Connect Continue Convert Copy
    Count Create Cut Decide Declare Decode Delete Describe Destroy Discard Drop Edit Embed Encode End Ensure Enter
    Exit Explain Export Find Finish Fit Fork Format Forget Get Give Go Grant Group Hand Handle Hide Hold Import
    Index Insert Keep Leave Let Lint List Load Lock Look Make Match Measure Merge Migrate Move Name Note Open
    Overwrite Parse Plan Prepare Print Promote Propose Prune Put Raise Rank Read Recall Receive Record Refuse
    Register Reindex Reject Release Remember Remove Rename Renew Repair Replace Report Require Reset Resolve
    Restore Return Reveal Revert Revoke Rewrite Run Save Say Search See Send Serve Set Show Shut Sign Skip Sort
    Spawn Split Start Stat Stop Store Stream Sweep Tag Take Tell Test Touch Translate Turn Undo Unlock Update
    Upgrade Use Validate Verify Wait Walk Watch Withdraw Wrap Write Yield
    """,
    )
)
"""In their base form. One that is missing here can be added; what is no verb cannot."""

RAISE_NOTHING = {
    "adapters.harness.history_search.HivemindHistorySearch.get_toolset",
    "adapters.harness.media_store.HivemindMediaStore.public_url",
    "adapters.pydantic_ai.hivemind_workspace.HivemindWorkspace.get_wrapper_toolset",
    "adapters.pydantic_ai.run_actor.RunActor.wrap_run",
    "base.values.Hits.copy",
    "testing.scripting.scripted_model",
    "adapters.backends.scope_backend.HivemindBackend.exists",
    "adapters.backends.scope_backend.HivemindBackend.glob_info",
    "adapters.backends.scope_backend.HivemindBackend.grep_raw",
    "adapters.backends.scope_backend.HivemindBackend.ls_info",
    "adapters.backends.scope_backend.HivemindBackend.read",
    "adapters.backends.session.Session.note",
    "adapters.backends.session.Session.touch",
    "adapters.backends.session_manager.SessionManager.shutdown",
    "adapters.fastapi.async_conversation",
    "adapters.fastapi.async_scope",
    "adapters.fastapi.deep_deps",
    "adapters.fastapi.hivemind_error",
    "adapters.fastapi.hivemind_lifespan",
    "adapters.fastapi.user_chat",
    "adapters.fastapi.user_conversation",
    "adapters.fastapi.user_scope",
    "adapters.memory.recall.HivemindMemory.before_model_request",
    "adapters.memory.recall.HivemindMemory.for_run",
    "adapters.memory.recall.HivemindMemory.get_ordering",
    "adapters.memory.toolset.HivemindSearch.get_wrapper_toolset",
    "adapters.memory.toolset.HivemindToolset.remember",
    "adapters.memory.toolset.HivemindToolset.search_memory",
    "adapters.pydantic_ai.hivemind_workspace.HivemindWorkspace.combine",
    "adapters.pydantic_ai.scope_workspace.ScopeWorkspace.realpath",
    "adapters.pydantic_deep.line_a.continue_here",
    "adapters.pydantic_deep.line_b.continue_here",
    "adapters.pydantic_deep.line_choice.continue_here",
    "adapters.pydantic_deep.scope_toolsets.PerScope.get_tools",
    "adapters.pydantic_deep.scope_toolsets.PerScope.of",
    "client.asynchronous.AsyncHivemindClient.close",
    "client.blocking.HivemindClient.close",
    "hive.hivemind.Hivemind.close",
    "hive.hivemind.Hivemind.register",
    "http.app.create_app",
    "mcp.http_app.create_app",
    "mcp.stdio.serve",
    "testing.dict_model.ScopeModel.collisions",
    "testing.dict_model.ScopeModel.files",
    "testing.dict_model.ScopeModel.hide",
    "testing.dict_model.ScopeModel.inherited",
    "testing.dict_model.ScopeModel.put_back",
    "testing.dict_model.ScopeModel.tree",
    "tokens.Grant.permits",
}
"""Public functions without `Raises:` that need none: they return failures, as their protocol wants, or cannot fail."""

RAISES_MISSING: set[str] = set()
"""Those that do not name yet what they raise. This list may only become shorter: what is mended is taken out."""
