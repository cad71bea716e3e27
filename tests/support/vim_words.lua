-- For each file of the command line, prints the file type, the comment string, and the words: each is a run of
-- characters in one syntax group, with its line.
local function words()
  local found = {}
  for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
    local last = { group = "" }
    for column = 1, #line do
      local group = vim.fn.synIDattr(vim.fn.synID(number, column, 1), "name")
      if group ~= last.group then
        last = { line = number, group = group, text = "" }
        if group ~= "" then
          table.insert(found, last)
        end
      end
      last.text = (last.text or "") .. line:sub(column, column)
    end
  end
  return found
end

local shown = {}
for _, file in ipairs(vim.fn.argv()) do
  vim.cmd("edit " .. vim.fn.fnameescape(file))
  table.insert(shown, { type = vim.bo.filetype, comment = vim.bo.commentstring, words = words() })
end
io.stdout:write(vim.fn.json_encode(shown))
