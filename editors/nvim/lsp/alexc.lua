-- For Neovim 0.11 or newer: `vim.lsp.enable("alexc")` starts the server for `.net` files.

-- The `alexc` of the project's .venv or venv, or else the one on the PATH.
local function command(root)
  for _, name in ipairs({ ".venv/bin/alexc", "venv/bin/alexc", ".venv/Scripts/alexc.exe", "venv/Scripts/alexc.exe" }) do
    local file = vim.fs.joinpath(root or vim.fn.getcwd(), name)
    if vim.fn.executable(file) == 1 then
      return file
    end
  end
  return "alexc"
end

-- Shows the spec in a new window, with blocks, repetitions and variants written out.
local function show_expanded(client, buffer)
  local request = { command = "alexc.server.expanded", arguments = { vim.uri_from_bufnr(buffer) } }
  client:request("workspace/executeCommand", request, function(problem, result)
    if problem then
      vim.notify(problem.message, vim.log.levels.ERROR)
      return
    end
    vim.cmd.vnew()
    vim.api.nvim_buf_set_lines(0, 0, -1, false, vim.split(vim.trim(result.text), "\n"))
    vim.bo.buftype, vim.bo.bufhidden, vim.bo.modifiable = "nofile", "wipe", false
    vim.bo.filetype = "alexc-net"
  end, buffer)
end

return {
  cmd = function(dispatchers, config)
    return vim.lsp.rpc.start({ command(config and config.root_dir), "lsp" }, dispatchers)
  end,
  filetypes = { "alexc-net" },
  root_markers = { ".venv", "venv", ".git" },
  settings = { alexc = { inlayHints = "layers" } },
  on_attach = function(client, buffer)
    vim.lsp.inlay_hint.enable(true, { bufnr = buffer })
    vim.api.nvim_buf_create_user_command(buffer, "AlexcExpanded", function()
      show_expanded(client, buffer)
    end, { desc = "Show the spec with blocks, repetitions and variants written out" })
  end,
}
