autocmd BufRead,BufNewFile *.net setfiletype alexc-net
